"""All training and all stores of training examples; imported only when a training runs."""
