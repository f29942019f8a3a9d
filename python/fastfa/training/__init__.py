"""The parts of the training loop that `fastfa.Trainer` is put together from."""
