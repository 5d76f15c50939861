"""The container's entry point; all it does is in `sam_pet.challenge`."""

import sys

from sam_pet.challenge.supervisor import main

if __name__ == "__main__":
    sys.exit(main())
