"""The first answer: lesions found without a prompt."""
