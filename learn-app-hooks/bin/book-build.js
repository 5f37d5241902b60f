#!/usr/bin/env node
import {main} from '../src/hook/main.js';

process.exitCode = await main('book-build', process.argv.slice(2));
