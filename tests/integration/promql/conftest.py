def pytest_addoption(parser):
    parser.addoption("--seed", type=int, help="of the generated queries")
    parser.addoption("--random", type=int, help="how many queries are generated")
