"""The probe: run the real network on a flat field; whatever comes out uneven is its own grid (design, section 4)."""
