"""What trials prove: rates, differences and rankings of arms, over trainings and the trials they share."""
