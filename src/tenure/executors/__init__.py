"""Where work runs: in this process, in workers of this machine, or on a cluster. Decides nothing, stores nothing."""
