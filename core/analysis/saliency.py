"""Which pixels speak for a class: the gradient of its logit with respect to the image, by hand."""

import numpy as np

from mlpwatch.core.analysis.features import layer_weights
from mlpwatch.core.arrays import Floats, Labels, Tensors
from mlpwatch.core.config import Activation, PixelRange
from mlpwatch.core.network.activations import ACTIVATIONS


def logit_gradient(
    weights: Tensors, images: Floats, classes: Labels, activation: Activation
) -> Floats:
    """Return ∂z_c/∂x (samples, features): each image's gradient of the logit of its class c.

    The backward pass of training with another start: instead of the loss, one logit goes back, and
    one layer further, to the pixels. Plain gradients, as Simonyan, Vedaldi and Zisserman 2013
    (arXiv:1312.6034) take them, with their signs. No dropout.

    Args:
        weights: `layers.K.weight` (fan_out, fan_in) and `layers.K.bias` (fan_out,).
        images: (samples, features), in the pixel range that the network reads.
        classes: (samples,) the class whose logit is asked for.
        activation: of the hidden layers.
    """
    rule, layers = ACTIVATIONS[activation], layer_weights(weights)
    a: Floats = images.astype(layers[0][0].dtype, copy=False)
    activations, slopes = [], []
    with np.errstate(over="ignore", invalid="ignore"):
        for w, b in layers[:-1]:
            # A_k+1 = f(A_k W_kᵀ + b_k)                             (samples, fan_out)
            a = a @ w.T
            a += b
            slope = np.empty_like(a)
            rule.apply(a, slope)
            activations.append(a)
            slopes.append(slope)
        # ∂z_c/∂A_L-1 = row c of W_L-1                              (samples, fan_in)
        delta: Floats = layers[-1][0][classes]
        for k in reversed(range(len(layers) - 1)):
            # ∂z_c/∂Z_k = ∂z_c/∂A_k+1 ⊙ f'(Z_k)                     (samples, fan_out)
            rule.multiply_slope(delta, activations[k], slopes[k])
            # ∂z_c/∂A_k = ∂z_c/∂Z_k W_k; A_0 are the pixels         (samples, fan_in)
            delta = delta @ layers[k][0]
    return delta


def ink_gradient(gradient: Floats, pixel_range: PixelRange) -> Floats:
    """Return the gradient per step from no ink to full ink, whatever the pixels are scaled to.

    With ink i from 0 to 1 the network reads x = i, or x = 2 i - 1 in the range -1..1; then
    ∂z/∂i = 2 ∂z/∂x.
    """
    return gradient * 2 if pixel_range == "-1..1" else gradient
