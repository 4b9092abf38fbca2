"""Drawn photos of vehicles, of which kind, colour and viewing angle are known.

ImageNet has names for kinds of vehicles, but none for the side that one sees them from. So the angle is a target that a
pretrained network was not trained for, and the truth lets a test judge labels.
"""

from labelling.demonstration.vehicles import Vehicle, draw, vehicles, write_demonstration

__all__ = ["Vehicle", "draw", "vehicles", "write_demonstration"]
