"""How fast photos are classified: our TorchServe, TorchServe doing nothing, and FastAPI, side by side in one run.

    python -m benchmarks.serve_pets model_store/pets [--photo FILE]

All get the same photo as their body. FastAPI's network is the bundle's, exported with its logits alone. serving.py says
how it is measured.
"""

import tempfile
from pathlib import Path

from benchmarks.heatmap_cost import export_plain
from benchmarks.heatmap_quality import open_net
from benchmarks.photos import made_up_photo
from benchmarks.serving import compare, parser


def main() -> None:
    """Measure and print the table."""
    reader = parser(__doc__, seconds=4)
    reader.add_argument("--photo", type=Path, help="a JPEG; a made-up one of 500 x 375 pixels if left out")
    asked = reader.parse_args()
    photo = asked.photo.read_bytes() if asked.photo else made_up_photo()
    manifest, net = open_net(asked.bundle)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.onnx")
        plain.write_bytes(export_plain(net, manifest.image))
        about = f"a photo of {len(photo):,} bytes, {manifest.backbone.name} at {manifest.image.size} pixels"
        compare(asked, "pets", [photo], content_type="image/jpeg", about=about, SHOPCAT_PLAIN=str(plain))


if __name__ == "__main__":
    main()
