"""Models of Triton's Python backend: tensors in, tensors out, with the predictors of the other runners.

Triton loads these modules with few packages; `serving/triton/requirements.txt` lists them.
"""
