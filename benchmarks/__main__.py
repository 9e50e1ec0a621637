"""``python -m benchmarks`` is the ``stepscape`` command."""

import sys

from benchmarks.shadowing import ShadowedError, check_packages

if __name__ == "__main__":
    try:
        check_packages()
    except ShadowedError as error:
        sys.stderr.write(f"stepscape: {error}\n")
        sys.exit(2)
    from benchmarks.cli.main import main

    main()
