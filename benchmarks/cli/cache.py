"""The command on what is kept of compiled kernels."""

from __future__ import annotations

import click

from benchmarks.cli.progress import counted, say

__all__ = ["cache"]


@click.command(short_help="Show or clear the compiled kernels on disk.")
@click.option("--clear", is_flag=True, help="Remove them all; they are made again where they are needed.")
def cache(clear: bool) -> None:
    """Show where compiled kernels are kept between runs, how many there are, and how much room they take.

    The folder is kernels in STEPSCAPE_CACHE, or in stepscape in the user's own cache folder.
    """
    from benchmarks.engine.kernel.cache import KernelCache
    from benchmarks.errors import UsageError

    kept = KernelCache()
    if kept.folder is None:
        raise UsageError("this user has no home, so no kernels are kept; name a folder in STEPSCAPE_CACHE")
    if clear:
        removed = kept.clear()
        say(f"{counted(removed.entries, 'kernel')} removed, {_mebibytes(removed.size)}")
        return
    usage = kept.usage()
    say(f"folder:   {kept.folder}")
    say(f"kernels:  {usage.entries}")
    say(f"size:     {_mebibytes(usage.size)} of at most {kept.limit_bytes / 2**20:.0f} MiB")


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
