/** Loaded before a test whose coverage is noted: this process has read the variable already, and hands it on to nobody. */
if (!process.execArgv.includes('--test') && process.env.NODE_TEST_CONTEXT !== undefined) delete process.env.NODE_V8_COVERAGE
