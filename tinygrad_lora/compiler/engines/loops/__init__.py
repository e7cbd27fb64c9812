"""Programs as loops over elements, for engines that compile Python."""
