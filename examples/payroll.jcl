//PAYROLL  JOB (4711),'MONTH END',CLASS=A,MSGCLASS=X
//* Sorts the names, then lists them.
//SORTED   EXEC PGM=SORT
//SYSPRINT DD SYSOUT=*
//SYSIN    DD *
  SORT FIELDS=(1,20,CH,A)
/*
//SORTIN   DD *
WIRTH               1934
HOPPER              1906
DIJKSTRA            1930
AMDAHL              1922
/*
//SORTOUT  DD SYSOUT=*
