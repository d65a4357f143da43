"""The networks that the experiments train, small enough for a CPU; every upsampling stage is a choice."""
