#!/usr/bin/env node
import {main} from '../src/site-check/main.js';

process.exitCode = await main(process.argv.slice(2));
