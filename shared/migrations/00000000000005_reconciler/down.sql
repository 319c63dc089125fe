DROP TABLE certificates;
DROP TABLE findings;
DROP TABLE sweeps;
DROP TABLE cursors;
