"""Files in, files out: forecasts and breeds of any number of rows and photos, over processes or an existing engine.

`work.run_part` is one pure function from a part of the input to a file of the output. Engines only schedule it. The
file is created once, under a name that follows from the job and the part. So it does not matter how often, where or by
whom a part is computed. What is left of a job is what its output folder lacks.
"""
