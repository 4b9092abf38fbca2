"""A tiny backbone for tests in which the backbone does not matter.

Why: exporting efficientnet_lite0 takes 9 s of CPU time, exporting this backbone 2 s.
"""

from typing import Any

from timm.models import register_model
from torch import Tensor, nn

TINY = "shopcat_tiny"
CHANNELS = 512


class TinyNet(nn.Module):
    """Four convolutions with batch norms, in the stages of timm's EfficientNets and with their stride of 32.

    Its random weights stand for pretrained ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
        self.conv_stem = nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.Sequential(nn.BatchNorm2d(16), nn.ReLU6())
        self.blocks = nn.Sequential(_block(16, 64), _block(64, 192))
        self.conv_head = nn.Conv2d(192, CHANNELS, 1, bias=False)
        self.bn2 = nn.Sequential(nn.BatchNorm2d(CHANNELS), nn.ReLU6())

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.bn2(self.conv_head(self.blocks(self.bn1(self.conv_stem(images)))))
        return features


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 5, stride=4, padding=2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU6())


@register_model
def shopcat_tiny(pretrained: bool = False, **options: Any) -> TinyNet:
    """Return the tiny backbone, by the name of this function."""
    return TinyNet()
