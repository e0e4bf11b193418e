"""Whether this process speaks for its job: of several that train together, one prints and saves."""

_follows = False


def follow() -> None:
    """From here on another process prints and saves for this one."""
    global _follows
    _follows = True


def lead() -> None:
    """From here on this process prints and saves, as every process does at first."""
    global _follows
    _follows = False


def leads() -> bool:
    """Whether this process prints and saves."""
    return not _follows
