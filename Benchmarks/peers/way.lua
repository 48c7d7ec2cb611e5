-- Submits a small job and waits for its print-out.
wrk.method = "POST"
wrk.headers["Content-Type"] = "text/plain"
wrk.headers["Accept"] = "text/plain"
wrk.headers["Prefer"] = "wait=60"
wrk.body = "//WAY JOB (1),BENCH\n//S1 EXEC PGM=IEBGENER\n//SYSPRINT DD SYSOUT=*\n//SYSUT1 DD *\nHELLO\n/*\n//SYSUT2 DD SYSOUT=*\n//SYSIN DD DUMMY\n"
