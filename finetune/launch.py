"""What `accelerate launch` and torchrun start in every process: `sam-pet finetune`."""

import sys

from sam_pet.cli.app import main

if __name__ == "__main__":
    main(["finetune", *sys.argv[1:]])
