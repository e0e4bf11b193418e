"""Wheel and sdist: built, looked into, installed and used, outside of the checkout.

    python .ci/package.py       # needs the `dev` extra

The wheel is built from the sdist, so that what the sdist lacks is found too. It is installed into
an empty environment in a temporary folder, with what it depends on, and then trains, writes the
page of what it trained, and says where it is.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("*.py", "*.css", "*.html", "*.js")  # of files in the package
NEEDED = ("pyproject.toml", "README.md", "LICENSE", "tinycnn/__main__.py", "tinycnn/py.typed")


def main() -> int:
    """Builds both, and uses the wheel; 0 if all is well."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    with tempfile.TemporaryDirectory(prefix="tinycnn-package-") as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--outdir", folder / "dist", ROOT, cwd=folder)
        (wheel,) = (folder / "dist").glob("*.whl")
        (sdist,) = (folder / "dist").glob("*.tar.gz")
        look_into(wheel, sdist)
        run(sys.executable, "-m", "venv", folder / "env")
        scripts = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        run(scripts / "python", "-m", "pip", "install", "-q", wheel)
        use(scripts, folder / "work", folder / "env")
    return 0


def look_into(wheel: Path, sdist: Path) -> None:
    """Both hold the package whole, and the wheel nothing else."""
    files = [path for kind in KINDS for path in (ROOT / "tinycnn").rglob(kind)]
    ours = {path.relative_to(ROOT).as_posix() for path in files}
    with zipfile.ZipFile(wheel) as file:
        inside = {n for n in file.namelist() if ".dist-info/" not in n}
    expect(inside == ours | {"tinycnn/py.typed"}, f"the wheel differs: {inside ^ ours}")
    with tarfile.open(sdist) as file:
        inside = {n.partition("/")[2] for n in file.getnames()}
    expect(ours | set(NEEDED) <= inside, f"the sdist lacks {(ours | set(NEEDED)) - inside}")
    print(f"{wheel.name}: {wheel.stat().st_size:,} bytes; {sdist.name}: {sdist.stat().st_size:,}")


def use(scripts: Path, work: Path, environment: Path) -> None:
    """The installed command trains, explores, and tells of itself, without the checkout."""
    work.mkdir()
    command = scripts / "tinycnn"
    run(command, "--help", cwd=work)
    training = ("train", "--dataset", "synthetic", "--images", "500", "--epochs", "1")
    out = run(command, *training, cwd=work)
    expect("test accuracy" in out, out)
    read = (
        "from tinycnn import load_model; print(load_model('output/mnist_cnn.npz').count_params())"
    )
    expect(run(scripts / "python", "-c", read, cwd=work) == "93322\n", "the model has other sizes")
    out = run(command, "explore", "output/mnist_cnn.npz", "-o", "page.html", cwd=work)
    expect((work / "page.html").stat().st_size > 500_000, out)
    out = run(scripts / "python", "-m", "tinycnn", "info", cwd=work)
    print(out)
    expect(str(environment.resolve()) in out, "the checkout was used, not the wheel")
    expect("kernels  " in out, out)


def run(*command: object, cwd: Path | None = None) -> str:
    """What a command prints; the end of this program if it fails."""
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "TINYCNN_KERNELS")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=keep, capture_output=True, text=True
    )
    expect(done.returncode == 0, f"{command} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(is_so: bool, words: str) -> None:
    """Ends the program in these words, unless it is so."""
    if not is_so:
        sys.exit(f"error: {words}")


if __name__ == "__main__":
    sys.exit(main())
