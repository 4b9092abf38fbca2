"""Export of a trained network: the graphs that serving and labelling run, and the golden pictures."""
