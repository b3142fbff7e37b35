#!/usr/bin/env node
import "@tensorgate/cli/main";
