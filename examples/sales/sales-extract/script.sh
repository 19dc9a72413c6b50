#!/bin/bash -eu
# In place of the printf: psql --csv --command "select …". What goes to stdout is the report's input.
echo "sales of ${BATCH_DUE_AT:0:10}" >&2
printf '%s\n' north,120 south,80 north,40 west,75
