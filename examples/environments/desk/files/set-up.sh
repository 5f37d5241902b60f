#!/bin/sh
# Runs in the image: a folder that a group shares.
set -eu
mkdir -p /shared/"$1"
chgrp "$1" /shared/"$1"
chmod 2775 /shared/"$1"
