"""A convolution is a product of Fourier transforms."""

import numpy as np


def conv2d_forward(x, kernel, bias, strides=(1, 1), padding="valid", relu=False):
    around = [(0, 0)]
    for length, size, stride in zip(x.shape[1:3], kernel.shape, strides):
        out = -(-length // stride)
        total = max((out - 1) * stride + size - length, 0) if padding == "same" else 0
        around.append((total // 2, total - total // 2))
    big = np.pad(x.astype(float), [*around, (0, 0)])
    KH, KW = kernel.shape[:2]
    shape = big.shape[1] + KH - 1, big.shape[2] + KW - 1
    images = np.fft.rfft2(big, shape, axes=(1, 2))
    # The transform's own convolution flips the kernel, so it is flipped before.
    kernels = np.fft.rfft2(kernel[::-1, ::-1].astype(float), shape, axes=(0, 1))
    product = np.einsum("nijc,ijcf->nijf", images, kernels)
    full = np.fft.irfft2(product, shape, axes=(1, 2))
    y = full[:, KH - 1 : big.shape[1], KW - 1 : big.shape[2]][:, :: strides[0], :: strides[1]]
    if bias is not None:
        y = y + bias
    return (np.maximum(y, 0) if relu else y).astype(x.dtype)
