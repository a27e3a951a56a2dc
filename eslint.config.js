/**
 * Lint rules: typescript-eslint's strict, type-checked sets, and a few of our own. A rule that is off says why.
 * Who may import whom between folders is checked by conformance/imports.test.ts; here only what a single file can show.
 */
import tseslint from 'typescript-eslint'

/** Functions of node:test that return a promise which the test runner itself awaits. */
const testRunnerCalls = ['describe', 'it', 'suite', 'test', 'before', 'after', 'beforeEach', 'afterEach']
  .map((name) => ({ from: 'package', package: 'node:test', name }))

const noNodeModules = {
  patterns: [{
    regex: '^node:',
    message: 'protocol/ runs in browsers too: only files of protocol/client/ that are named for node may import node: modules.',
  }],
}

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', 'node_modules/', '**/*.d.ts', 'chatd-data/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'eqeqeq': 'error',
      'no-console': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'object-shorthand': ['error', 'properties'],
      // House style. ESLint's own two rules still work, and a formatter for two rules would be one more dependency.
      'quotes': ['error', 'single', { avoidEscape: true, allowTemplateLiterals: true }],
      'semi': ['error', 'never', { beforeStatementContinuationChars: 'any' }],

      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: testRunnerCalls }],
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // typeof import('…') is how an optional dependency is typed without loading it.
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // An arrow that passes a void result on is the shortest way to say "call this".
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],

      // `buf[i]!` after an explicit length check is the house idiom under noUncheckedIndexedAccess; a branch in its place would cost
      // time on the hot path and be dead code everywhere else.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Methods that keep an interface (a sink, an engine, a transport) have nothing to await or to do in some implementations.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      // Values that come from a peer or a file are wider at run time than their type: a check that the type calls needless is wanted.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // Indexed loops are the hot path's form, and the two forms mix in one function.
      '@typescript-eslint/prefer-for-of': 'off',
      // `type` and `interface` are both used: the first for unions and tuples, the second for shapes; a record reads well either way.
      '@typescript-eslint/consistent-type-definitions': 'off',
      // Spreading a text yields code points, which is just what the protocol counts; the rule has no setting for literals.
      '@typescript-eslint/no-misused-spread': 'off',
      // A refusal that names each of its conditions narrows every part for the lines below it; a chain hides which one was absent.
      '@typescript-eslint/prefer-optional-chain': 'off',
      // Node's own tls.connect makes a TLSSocket in a way that the rule takes for another class.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Contradicts noPropertyAccessFromIndexSignature of the compiler.
      '@typescript-eslint/dot-notation': 'off',
    },
  },
  {
    files: ['protocol/**/*.ts'],
    ignores: ['protocol/generate/**', '**/*.test.ts', 'protocol/**/testing/**', 'protocol/client/**/*node*.ts'],
    rules: { 'no-restricted-imports': ['error', noNodeModules] },
  },
  {
    // The shard core is deterministic: time, randomness and turns of the event loop are passed in, or no seeded run could repeat one.
    files: ['server/shard/**/*.ts'],
    ignores: ['**/*.test.ts', '**/testing/**'],
    rules: {
      'no-restricted-globals': ['error', 'setTimeout', 'setInterval', 'setImmediate', 'performance', 'process', 'crypto', 'fetch'],
      'no-restricted-properties': ['error', { object: 'Date', property: 'now' }, { object: 'Math', property: 'random' }],
      'no-restricted-syntax': ['error', { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: 'Take the time from the environment.' }],
    },
  },
  {
    // Programs speak to people on stdout and stderr; the bench and the code generator are programs too.
    files: ['bin/**/*.ts', 'server/bench/**/*.ts', 'protocol/generate/**/*.ts', 'conformance/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['**/*.test.ts', '**/testing/**/*.ts'],
    rules: {
      // Deliberately wrong input is made by casts; the type system has nothing to say about it.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      // Mocks stand in for promises and methods of all kinds.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    // Plain JavaScript (configuration, the bench's driver): no type information, so only the rules that need none.
    files: ['**/*.js', '**/*.cjs', '**/*.mjs'],
    rules: {
      'eqeqeq': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-undef': 'off', // needs a list of globals that the runtime reports better
      'no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrors: 'none' }],
      'semi': ['error', 'never', { beforeStatementContinuationChars: 'any' }],
      'quotes': ['error', 'single', { avoidEscape: true, allowTemplateLiterals: true }],
    },
  },
)
