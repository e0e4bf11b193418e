"""The command `tinycnn`, also as `python -m tinycnn`: what can be typed, and what runs then.

The commands themselves are in commands.py.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tinycnn import __version__, commands
from tinycnn.gradient_check.report import LEGEND
from tinycnn.support.console import say
from tinycnn.support.scripts import end_errors_in_one_line, natural_number, positive_integer


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: the words after `tinycnn`; None takes those of the command line.

    Returns:
        The exit code: 0; 1 if a check failed; 2 without a command. An error that a user can
        cause ends the process with one line.
    """
    end_errors_in_one_line()
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        say(parser.format_help().rstrip())
        return 2
    return int(arguments.command(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinycnn",
        description="Convolutional networks in NumPy, made fast with Numba.",
        epilog="tinycnn COMMAND --help tells what a command takes.",
    )
    parser.add_argument("--version", action="version", version=f"tinycnn {__version__}")
    parser.set_defaults(command=None)
    several = parser.add_subparsers(title="commands", metavar="COMMAND")

    one = several.add_parser(
        "train",
        help="train the reference network on MNIST",
        description="Trains the reference network on MNIST, and leaves in the output folder the "
        "model, a picture of accuracy and loss, and a checkpoint to go on from. Without MNIST and "
        "without a connection it takes digits that tinycnn draws itself, and says so.",
    )
    one.set_defaults(command=commands.train)
    _add_data_dir(one)
    one.add_argument("--dataset", choices=["auto", "mnist", "synthetic"], default="auto")
    one.add_argument(
        "--images", type=positive_integer, metavar="N", help="at most N images; default: all"
    )
    one.add_argument("--epochs", type=positive_integer, default=10, help="default: %(default)s")
    one.add_argument("--batch-size", type=positive_integer, default=64, help="default: %(default)s")
    one.add_argument("--seed", type=natural_number, default=0, help="default: %(default)s")
    one.add_argument("--resume", action="store_true", help="go on from the checkpoint there")
    _add_kernels(one, "default: TINYCNN_KERNELS, else numba")
    _add_output_dir(one, "output")

    one = several.add_parser(
        "check",
        help="check every gradient of tinycnn against differences",
        description="Checks that each backward is the derivative of its forward: all layers, all "
        "losses and the reference network, element by element, in float64.",
        epilog=LEGEND,
    )
    one.set_defaults(command=commands.check)
    _add_kernels(one, "default: both")

    one = several.add_parser(
        "read",
        help="read a handwritten digit from a photo or a drawing",
        description="Reads one digit from a picture, dark on light or light on dark, and draws "
        "what the network sees of it.",
    )
    one.set_defaults(command=commands.read)
    one.add_argument("photo", type=Path, metavar="PHOTO", help="the picture of one digit")
    one.add_argument(
        "--model",
        type=Path,
        default=commands.MODEL,
        help="default: %(default)s, which `train` leaves",
    )
    _add_output_dir(one, "output")

    one = several.add_parser(
        "look",
        help="draw what a saved model sees and where it is wrong",
        description="Draws filters, feature maps, saliency, Grad-CAM, predictions, mistakes and "
        "the confusion matrix of a model that reads digits, on MNIST's test images.",
    )
    one.set_defaults(command=commands.look)
    one.add_argument("model", type=Path, metavar="MODEL", help="a model file, such as `train`'s")
    _add_data_dir(one)
    one.add_argument(
        "--images", type=positive_integer, metavar="N", help="at most N test images; default: all"
    )
    _add_output_dir(one, "output/pictures")

    one = several.add_parser(
        "explore",
        help="write an offline page of a saved model, with every number",
        description="Writes one HTML file that opens without a network: every map and gradient of "
        "the model, and of each number the products and sums that make it.",
    )
    one.set_defaults(command=commands.explore)
    one.add_argument("model", type=Path, metavar="MODEL", help="a model file, such as `train`'s")
    one.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PAGE",
        help="the file to write; default: MODEL with the ending .html",
    )
    one.add_argument(
        "--samples",
        type=Path,
        metavar="FILE",
        help="an .npz of numpy.savez(FILE, x=..., y=...) with up to 100 samples as the model takes "
        "them, and their class numbers (y may be missing); default: digits that tinycnn draws",
    )

    one = several.add_parser(
        "info",
        help="print versions, processor and settings, for a bug report",
        description="Prints what a bug report needs: versions, system, processor, the kernels "
        "that run, folders and variables.",
    )
    one.set_defaults(command=commands.info)
    return parser


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", metavar="FOLDER", help="your copy of the four MNIST files")


def _add_kernels(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--kernels", choices=["numba", "numpy"], help=default)


def _add_output_dir(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--output-dir", type=Path, metavar="FOLDER", default=default, help="default: %(default)s"
    )


if __name__ == "__main__":
    sys.exit(main())
