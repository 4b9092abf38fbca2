"""Measure requests/s of photos: Shopcat, TorchServe with an empty handler, and FastAPI, side by side in one run.

    python -m benchmarks.serve_pets model_store/pets [--photo FILE]

All servers get the same photo as the body. FastAPI runs the bundle's network, exported with its logits alone. The
method is described in `benchmarks.servers.running`.
"""

import tempfile
from pathlib import Path

from benchmarks.heatmaps.cost import export_plain
from benchmarks.heatmaps.networks import open_net
from benchmarks.load_generator.photos import made_up_photo
from benchmarks.servers.running import compare, parser


def main() -> None:
    """Measure and print the table."""
    arguments = parser(__doc__, seconds=4)
    arguments.add_argument(
        "--photo", type=Path, help="JPEG file to send; a generated one of 500 x 375 pixels if left out"
    )
    args = arguments.parse_args()
    photo = args.photo.read_bytes() if args.photo else made_up_photo()
    manifest, net = open_net(args.bundle)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.onnx")
        plain.write_bytes(export_plain(net, manifest.image))
        about = f"a photo of {len(photo):,} bytes, {manifest.backbone.name} at {manifest.image.size} pixels"
        # the gateway rejects what a client with 32 connections would wait too long for
        compare(
            args,
            "pets",
            [photo],
            content_type="image/jpeg",
            about=about,
            rejections=True,
            SHOPCAT_PLAIN=str(plain),
        )


if __name__ == "__main__":
    main()
