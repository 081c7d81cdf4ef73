"""Which pixels raise a class's logit: the logit's gradient with respect to the image, by hand."""

import numpy as np

from mlpwatch.core.arrays import Floats, Labels, Tensors
from mlpwatch.core.config import ENDS_OF_RANGE, PixelRange
from mlpwatch.core.network.activations import AnyActivation
from mlpwatch.core.network.layers import Network, Parameters, overflow_allowed


def logit_gradient(
    weights: Tensors, images: Floats, classes: Labels, activation: AnyActivation
) -> Floats:
    """Return ∂z_c/∂x (samples, features): each image's gradient of the logit of its class c.

    This is the backward pass of training, started from one logit instead of the loss and continued
    to the pixels. Plain signed gradients, as in Simonyan, Vedaldi and Zisserman 2013
    (arXiv:1312.6034). No dropout.

    Args:
        weights: `layers.K.weight` (fan_out, fan_in) and `layers.K.bias` (fan_out,).
        images: (samples, features), scaled as in training.
        classes: (samples,) the class of the logit.
        activation: of the hidden layers.
    """
    parameters = Parameters(weights)
    network = Network(parameters, activation, len(images), to_pixels=True)
    with overflow_allowed():
        logits = network.forward(images.astype(parameters.theta.dtype, copy=False))
        # ∂z_c/∂Z = 1 at c, 0 elsewhere                             (samples, classes)
        start = np.zeros_like(logits)
        start[np.arange(len(images)), classes] = 1
        pixels = network.backward(start)
    assert pixels is not None, "the network is made with to_pixels"
    return pixels


def ink_gradient(gradient: Floats, pixel_range: PixelRange) -> Floats:
    """Return the gradient per step from no ink to full ink, for any scale of the pixels.

    With ink i from 0 to 1 the network gets x = i, or x = 2 i - 1 in the range -1..1; then
    ∂z/∂i = 2 ∂z/∂x.
    """
    low, high = ENDS_OF_RANGE[pixel_range]
    return gradient if high - low == 1 else gradient * (high - low)
