"""Functions that run in workers. They import what the console itself does not load."""

from pathlib import Path

from labelling.features.layout import FeatureLayout


def read_layout(bundle: Path) -> FeatureLayout:
    """Return the layout of the features of a bundle.

    Raises:
        BundleError: if the folder is no pets bundle, is damaged, or has no features graph.
        SessionError: if the graph can't run.
    """
    from labelling.features.network import FeatureNetwork

    return FeatureNetwork.load(bundle).layout
