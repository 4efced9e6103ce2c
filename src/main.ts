#!/usr/bin/env node
console.log('meridian');
