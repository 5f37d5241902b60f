#!/usr/bin/env node
import {main} from '../src/hook/main.js';

process.exitCode = await main('book-start', process.argv.slice(2));
