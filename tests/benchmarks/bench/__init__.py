"""The benchmark: this package beside others on the same workloads, checked first, then timed in interleaved rounds."""
