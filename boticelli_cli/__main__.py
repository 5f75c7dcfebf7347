"""`python -m boticelli_cli` is `boticelli`."""

from boticelli_cli.cli.main import main

if __name__ == "__main__":
    main()
