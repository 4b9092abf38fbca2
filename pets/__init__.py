"""What training and serving share for breeds: photos, the network, heatmaps, the bundle, the classifier."""
