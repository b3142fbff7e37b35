// What a user would write in Go: net/http in front, grpc-go behind, which gives each of several addresses of the model
// server its turn. Prints its port.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"tensorgate.example/bench/gen/tensorflow"
	serving "tensorgate.example/bench/gen/tensorflow_serving"
)

const maxBodyBytes = 32 << 20

type label struct {
	Index int     `json:"index"`
	Label string  `json:"label"`
	Score float32 `json:"score"`
}

type result struct {
	Labels []label `json:"labels"`
}

type answer struct {
	Results []result `json:"results"`
}

func main() {
	replicas := manual.NewBuilderWithScheme("replicas")
	state := resolver.State{}
	for _, address := range os.Args[1:] {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	replicas.InitialState(state)
	backend, err := grpc.NewClient("replicas:///",
		grpc.WithResolvers(replicas),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	service := serving.NewPredictionServiceClient(backend)

	http.HandleFunc("POST /v1/classify/{model}", func(w http.ResponseWriter, r *http.Request) {
		picture, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		reply, err := service.Predict(r.Context(), &serving.PredictRequest{
			ModelSpec: &serving.ModelSpec{Name: r.PathValue("model")},
			Inputs: map[string]*tensorflow.TensorProto{"images": {
				Dtype:       tensorflow.DataType_DT_STRING,
				TensorShape: &tensorflow.TensorShapeProto{Dim: []*tensorflow.TensorShapeProto_Dim{{Size: 1}}},
				StringVal:   [][]byte{picture},
			}},
			OutputFilter: []string{"scores"},
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("content-type", "application/json")
		json.NewEncoder(w).Encode(answer{[]result{{best(reply.Outputs["scores"].FloatVal, 5)}}})
	})

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("port %d\n", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, nil))
}

func best(scores []float32, count int) []label {
	order := make([]int, len(scores))
	for index := range scores {
		order[index] = index
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	labels := make([]label, count)
	for rank, index := range order[:count] {
		labels[rank] = label{index, fmt.Sprintf("label %d", index), scores[index]}
	}
	return labels
}
