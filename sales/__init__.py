"""Sales forecasts: columns, preprocessing, predictor, explanations and bundle, shared by training and serving.

"The fast.ai lesson" is lesson 6 of fast.ai's course Practical Deep Learning for Coders, v3 of 2019
(https://course19.fast.ai), with its Rossmann notebooks. Parity mode has that lesson's columns, to compare with its
published figures.
"""
