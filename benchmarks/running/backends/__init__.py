"""Where the jobs of a suite are carried out: processes of this machine, the workers of a Dask or of a Ray cluster."""
