"""``python -m benchmarks`` is the ``stepscape`` command."""

from benchmarks.cli.main import main

if __name__ == "__main__":
    main()
