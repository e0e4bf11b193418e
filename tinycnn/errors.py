"""The errors that tinycnn raises when something outside it is wrong: input, a file, a connection.

Each is a `TinyCNNError` and also the built-in error that a caller would expect, so both
`except TinyCNNError` and `except ValueError` (`OSError`, `ArithmeticError`) work.
"""

__all__ = [
    "DataFileError",
    "DownloadError",
    "GraderError",
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


class DataFileError(TinyCNNError, ValueError):
    """A file of a data set other than IDX is damaged or something else; the message says which."""


class ModelFileError(TinyCNNError, ValueError):
    """A file is damaged, of a newer format, of another training, or not a model file at all."""


class PictureError(TinyCNNError, ValueError):
    """A file is not a picture that can be read, or shows no digit."""


class DownloadError(TinyCNNError, OSError):
    """A download failed; the message gives each source's reason and says what to do."""


class GraderError(TinyCNNError, ValueError):
    """The grader's file of settings says something that means nothing."""


class NumericalError(TinyCNNError, ArithmeticError):
    """Training produced a number that is not finite."""
