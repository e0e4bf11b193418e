"""The errors tinycnn raises for what a user or the world did wrong.

Every one is a `TinyCNNError`, and also the built-in error a caller would expect, so that both
`except TinyCNNError` and `except ValueError` (`OSError`, `ArithmeticError`) work.
"""

__all__ = [
    "DownloadError",
    "IdxFormatError",
    "ModelFileError",
    "NumericalError",
    "PictureError",
    "TinyCNNError",
]


class TinyCNNError(Exception):
    """Base of tinycnn's own errors."""


class IdxFormatError(TinyCNNError, ValueError):
    """The bytes of a file are not a valid IDX file; the message names the file and the reason."""


class ModelFileError(TinyCNNError, ValueError):
    """A model file is damaged, of a newer format, of another training, or not one at all."""


class PictureError(TinyCNNError, ValueError):
    """A file is not a picture that can be read, or shows no digit."""


class DownloadError(TinyCNNError, OSError):
    """Data could not be had; the message lists every source tried, why, and what to do."""


class NumericalError(TinyCNNError, ArithmeticError):
    """Training produced a number that is not finite."""
