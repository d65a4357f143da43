"""What the plans mean for a PyTorch module; every function works on a copy."""
