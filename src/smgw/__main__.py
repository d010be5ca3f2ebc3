"""Run the command line as `python -m smgw`."""

from smgw.cli import main

if __name__ == "__main__":
    main()
