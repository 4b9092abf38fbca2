"""Where inputs and outputs lie: folders of this machine, or of a file system that several machines share."""
