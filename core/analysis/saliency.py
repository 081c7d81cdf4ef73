"""Which pixels raise a class's logit: its gradient with respect to the image, by hand."""

import numpy as np

from mlpwatch.core.arrays import Floats, Labels, Tensors
from mlpwatch.core.config import Activation, PixelRange
from mlpwatch.core.network.layers import Network, Parameters, overflow_allowed


def logit_gradient(
    weights: Tensors, images: Floats, classes: Labels, activation: Activation
) -> Floats:
    """Return ∂z_c/∂x (samples, features): each image's gradient of the logit of its class c.

    The backward pass of training, which starts from one logit instead of the loss and goes one
    step further, to the pixels. Plain gradients, as Simonyan, Vedaldi and Zisserman 2013
    (arXiv:1312.6034) take them, with their signs. No dropout.

    Args:
        weights: `layers.K.weight` (fan_out, fan_in) and `layers.K.bias` (fan_out,).
        images: (samples, features), scaled as in training.
        classes: (samples,) the class whose logit is meant.
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
    """Return the gradient per step from no ink to full ink, whatever the pixels are scaled to.

    With ink i from 0 to 1 the network is given x = i, or x = 2 i - 1 in the range -1..1; then
    ∂z/∂i = 2 ∂z/∂x.
    """
    return gradient * 2 if pixel_range == "-1..1" else gradient
