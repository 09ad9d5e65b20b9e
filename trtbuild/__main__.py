"""`python -m trtbuild` is `trtbuild`."""

from trtbuild.cli.app import main

if __name__ == "__main__":
    main()
