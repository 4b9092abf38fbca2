"""Model card of a pets bundle: `card` writes the text, `figures` the tables that the report has too."""

from training.pets.card.card import OXFORD, model_card

__all__ = ["OXFORD", "model_card"]
