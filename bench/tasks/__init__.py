"""What is trained, and the float64 reference that every contestant must agree with."""
